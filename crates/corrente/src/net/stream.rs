//! What all stream sockets have in common: the futures-io traits over a shared registration.

/// Implements `AsyncRead` and `AsyncWrite` for a stream that is a newtype of `Arc<Async<$inner>>`, and for
/// references to it.
macro_rules! impl_stream {
    ($type:ident, $inner:ty) => {
        impl futures_io::AsyncRead for &$type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::task::ready!(corrente_task::budget::poll_proceed(cx));
                let len = buffer.len();
                self.inner.poll_read_stream(cx, len, |mut io| std::io::Read::read(&mut io, buffer))
            }
            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::task::ready!(corrente_task::budget::poll_proceed(cx));
                let len = buffers.iter().map(|buffer| buffer.len()).sum();
                self.inner.poll_read_stream(cx, len, |mut io| {
                    std::io::Read::read_vectored(&mut io, buffers)
                })
            }
        }

        impl futures_io::AsyncWrite for &$type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::task::ready!(corrente_task::budget::poll_proceed(cx));
                let len = buffer.len();
                self.inner
                    .poll_write_stream(cx, len, |mut io| std::io::Write::write(&mut io, buffer))
            }
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::task::ready!(corrente_task::budget::poll_proceed(cx));
                let len = buffers.iter().map(|buffer| buffer.len()).sum();
                self.inner.poll_write_stream(cx, len, |mut io| {
                    std::io::Write::write_vectored(&mut io, buffers)
                })
            }
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(
                    match self.inner.get_ref().shutdown(std::net::Shutdown::Write) {
                        // The peer has gone already: there is nothing left to close.
                        Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
                        result => result,
                    },
                )
            }
        }

        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut &*self).poll_read(cx, buffer)
            }
            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut &*self).poll_read_vectored(cx, buffers)
            }
        }

        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut &*self).poll_write(cx, buffer)
            }
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut &*self).poll_write_vectored(cx, buffers)
            }
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut &*self).poll_flush(cx)
            }
            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut &*self).poll_close(cx)
            }
        }

        impl $type {
            fn from_nonblocking(io: $inner) -> std::io::Result<Self> {
                let reactor = $crate::runtime::handle::Handle::current_reactor()?;
                let inner = corrente_io::Async::from_nonblocking(&reactor, io)?;
                Ok(Self { inner: std::sync::Arc::new(inner) })
            }

            /// Ends one direction, or both, for all clones.
            ///
            /// # Errors
            ///
            /// If the socket is not connected (any more).
            pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                self.inner.get_ref().shutdown(how)
            }

            /// Waits until there is something to read, or the end.
            ///
            /// # Errors
            ///
            /// If the I/O driver has failed.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses nothing.
            pub async fn readable(&self) -> std::io::Result<()> {
                self.inner.readable().await
            }

            /// Waits until there is room to write.
            ///
            /// # Errors
            ///
            /// If the I/O driver has failed.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses nothing.
            pub async fn writable(&self) -> std::io::Result<()> {
                self.inner.writable().await
            }

            /// The socket as std has it, in non-blocking mode.
            ///
            /// # Errors
            ///
            /// If other clones of the stream exist.
            pub fn into_std(self) -> std::io::Result<$inner> {
                match std::sync::Arc::try_unwrap(self.inner) {
                    Ok(inner) => Ok(inner.into_inner()),
                    Err(_) => Err(std::io::Error::other("the stream has clones: drop them first")),
                }
            }
        }

        impl Clone for $type {
            /// The same socket: what one reads, the other does not see.
            fn clone(&self) -> Self {
                Self { inner: self.inner.clone() }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.get_ref().fmt(f)
            }
        }

        impl TryFrom<$inner> for $type {
            type Error = std::io::Error;
            /// Watches a socket of std's, which is made non-blocking.
            ///
            /// # Errors
            ///
            /// Outside of a runtime, or if the system refuses.
            fn try_from(io: $inner) -> std::io::Result<Self> {
                io.set_nonblocking(true)?;
                Self::from_nonblocking(io)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.inner.get_ref().as_fd()
            }
        }
    };
}
pub(crate) use impl_stream;

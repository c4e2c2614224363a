# Say hello, wait a second, say world.
import asyncio
import time


async def main():
    started = time.monotonic()
    print("hello")
    await asyncio.sleep(1)
    print("world")
    print(f"after {time.monotonic() - started:.0f} s")


asyncio.run(main())

# A function that blocks: in a thread it disturbs nobody, called directly it stops its loop.
import asyncio
import time


def blocking():
    time.sleep(1)
    print("blocking ends")


async def main():
    started = time.monotonic()
    await asyncio.gather(asyncio.to_thread(blocking), asyncio.sleep(1))
    print(f"in a thread: {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    sleeper = asyncio.create_task(asyncio.sleep(1))
    blocking()
    await sleeper
    print(f"called directly: {time.monotonic() - started:.0f} s")


asyncio.run(main())

# The same two in a group: it waits for both when its block is left.
import asyncio
import time


async def say_after(delay, what):
    await asyncio.sleep(delay)
    print(what)


async def main():
    started = time.monotonic()
    async with asyncio.TaskGroup() as tg:
        tg.create_task(say_after(1, "hello"))
        tg.create_task(say_after(2, "world"))
        print("started")
    print(f"finished after {time.monotonic() - started:.0f} s")


asyncio.run(main())

# The same two as tasks: they run at the same time.
import asyncio
import time


async def say_after(delay, what):
    await asyncio.sleep(delay)
    print(what)


async def main():
    started = time.monotonic()
    hello = asyncio.create_task(say_after(1, "hello"))
    world = asyncio.create_task(say_after(2, "world"))
    print("started")
    await hello
    await world
    print(f"finished after {time.monotonic() - started:.0f} s")


asyncio.run(main())

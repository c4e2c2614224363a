# What the children of a group return is there when the block has been left.
import asyncio


async def double(n):
    await asyncio.sleep(0.1)
    return 2 * n


async def main():
    async with asyncio.TaskGroup() as tg:
        a = tg.create_task(double(4))
        b = tg.create_task(double(21))
    print(f"both have ended: {a.result()}, {b.result()}")


asyncio.run(main())

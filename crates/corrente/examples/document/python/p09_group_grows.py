# A child may add further children while its group waits; nobody may add one after the end.
import asyncio


async def child(n):
    await asyncio.sleep(0.1)
    print(f"child {n} ends")


async def parent(tg):
    await asyncio.sleep(0.1)
    print("the block was left; two more")
    tg.create_task(child(1))
    await asyncio.sleep(0.1)
    tg.create_task(child(2))


async def main():
    async with asyncio.TaskGroup() as tg:
        tg.create_task(parent(tg))
        print("leaving the block")
    print("all were awaited")
    late = child(3)
    try:
        tg.create_task(late)
    except RuntimeError:
        late.close()
        print("too late: RuntimeError")


asyncio.run(main())

# The first error reaches whoever awaits `gather` at once; the other children run on.
import asyncio


class Boom(Exception):
    pass


async def fail(tag):
    await asyncio.sleep(0.1)
    raise Boom(tag)


async def work(name, delay):
    await asyncio.sleep(delay)
    print(f"{name} has finished")


async def main():
    try:
        await asyncio.gather(work("A", 0.3), fail("x"), work("B", 0.4))
    except Boom as error:
        print(f"caught Boom({error})")
    await asyncio.sleep(0.5)


asyncio.run(main())

# Errors taken as values: each stands in the place of the child that raised it.
import asyncio


class Boom(Exception):
    pass


async def job(name, delay):
    await asyncio.sleep(delay)
    if name == "B":
        raise Boom(name)
    return name


async def main():
    jobs = [job("A", 0.3), job("B", 0.1), job("C", 0.2)]
    for result in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(result, Boom):
            print(f"error Boom({result})")
        else:
            print(f"value {result}")


asyncio.run(main())

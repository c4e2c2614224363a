# `gather` gives the results in the order of its arguments, whoever ends first.
import asyncio


async def job(name, delay):
    await asyncio.sleep(delay)
    print(f"{name} ends")
    return name


async def main():
    a, b, c = await asyncio.gather(job("A", 0.3), job("B", 0.1), job("C", 0.2))
    print(f"results: {a}, {b}, {c}")


asyncio.run(main())

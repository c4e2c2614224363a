# Results in the order in which they come; a timeout when not all came in time.
import asyncio


async def job(name, delay):
    await asyncio.sleep(delay)
    return name


async def main():
    jobs = [job("A", 0.3), job("B", 0.1), job("C", 0.2)]
    async for earliest in asyncio.as_completed(jobs):
        print(await earliest)
    try:
        async for earliest in asyncio.as_completed([job("quick", 0.1), job("slow", 3600)], timeout=0.3):
            print(await earliest)
    except TimeoutError:
        print("Timeout")


asyncio.run(main())

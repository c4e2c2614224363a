# A limit that expires, one that does not, and one that is moved in time.
import asyncio


async def work(delay):
    await asyncio.sleep(delay)
    return f"done after {delay} s"


async def main():
    try:
        async with asyncio.timeout(0.1):
            print(await work(3600))
    except TimeoutError:
        print("Timeout")
    async with asyncio.timeout(10):
        print(await work(0.1))
    async with asyncio.timeout(0.3) as limit:
        limit.reschedule(asyncio.get_running_loop().time() + 10)
        print(await work(0.5))


asyncio.run(main())

# `sleep` hands a value on, and lets others run even for zero seconds.
import asyncio


async def other():
    print("the other task runs")


async def main():
    print(await asyncio.sleep(0.1, "a value that slept"))
    task = asyncio.create_task(other())
    print("before the zero sleep")
    await asyncio.sleep(0)
    print("after the zero sleep")
    await task


asyncio.run(main())

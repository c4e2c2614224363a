# Calling a coroutine function does not run its body: it must be awaited, or made a task.
import asyncio


async def greet():
    print("this is never printed")


async def main():
    greet()
    print("the body of greet never ran")


asyncio.run(main())

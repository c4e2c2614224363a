# A function that returns a low-level Future; it is awaited like everything else.
import asyncio


def answer_later(answer):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.1, future.set_result, answer)
    return future


async def coroutine():
    await asyncio.sleep(0.1)
    return "from a coroutine"


async def main():
    print(await answer_later("from a future"))
    a, b = await asyncio.gather(answer_later("from a future"), coroutine())
    print(f"{a}, {b}")


asyncio.run(main())

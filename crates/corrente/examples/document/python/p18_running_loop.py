# The running loop answers in a coroutine and in a callback; outside there is none.
import asyncio


def ask(where):
    try:
        asyncio.get_running_loop()
        print(f"{where}: a loop is running")
    except RuntimeError:
        print(f"{where}: RuntimeError")


async def main():
    ask("in a coroutine")
    asyncio.get_running_loop().call_soon(ask, "in a callback")
    await asyncio.sleep(0.1)


ask("outside")
asyncio.run(main())

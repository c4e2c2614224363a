# `wait` sorts tasks into done and pending; it raises nothing and cancels nothing.
import asyncio


class Boom(Exception):
    pass


async def job(delay, fails):
    await asyncio.sleep(delay)
    if fails:
        raise Boom


def names(tasks):
    return "".join(sorted(task.get_name() for task in tasks)) or "-"


async def show(title, **how):
    plan = [("a", 0.2, False), ("b", 0.4, True), ("c", 0.6, False)]
    tasks = [asyncio.create_task(job(delay, fails), name=name) for name, delay, fails in plan]
    done, pending = await asyncio.wait(tasks, **how)
    print(f"{title}: done {names(done)}, pending {names(pending)}")
    await asyncio.wait(tasks)
    print(f"  later: cancelled {names(t for t in tasks if t.cancelled())}")


async def main():
    await show("all completed")
    await show("first completed", return_when=asyncio.FIRST_COMPLETED)
    await show("first exception", return_when=asyncio.FIRST_EXCEPTION)
    await show("timeout", timeout=0.3)
    try:
        await asyncio.wait([])
    except ValueError:
        print("nothing to wait for: ValueError")


asyncio.run(main())

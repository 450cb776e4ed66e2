"""A question that many ask at one time is asked once."""

import asyncio

import pytest

from akkordeon_dask.runtime.cluster._shared import Shared


class Question:
    def __init__(self):
        self.asked, self.cut, self.answered = 0, 0, asyncio.Event()

    async def __call__(self):
        self.asked += 1
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        if self.asked > 1:
            raise ValueError("asked again")
        return 42


def test_all_who_ask_at_one_time_share_the_answer_and_those_who_ask_later_the_next_one():
    async def story():
        question, shared = Question(), Shared()
        asking = [asyncio.create_task(shared.ask("key", question)) for _ in range(5)]
        await asyncio.sleep(0)
        question.answered.set()
        assert await asyncio.gather(*asking) == [42] * 5 and question.asked == 1
        again = await asyncio.gather(*(shared.ask("key", question) for _ in range(3)), return_exceptions=True)
        assert [str(one) for one in again] == ["asked again"] * 3 and question.asked == 2

    asyncio.run(story())


def test_a_question_goes_on_for_the_others_and_ends_with_the_last_one_who_waits():
    async def story():
        question, shared = Question(), Shared()
        first, second = (asyncio.create_task(shared.ask("key", question)) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert (question.asked, question.cut) == (1, 0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert question.cut == 1

    asyncio.run(story())

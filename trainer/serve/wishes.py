"""What a request may ask for, by the names that `hiertrain predict` has for it; never a file of the server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.inference.answering.wishes import Wishes

Name = Annotated[str, Field(max_length=200)]


class Settings(BaseModel):
    """The query of a request; a setting of another name is refused."""

    model_config = ConfigDict(extra="forbid")

    confidence: float | None = Field(None, description="How sure to be, from 0 to 1; else the answer is less deep.")
    audience: Name | None = Field(None, description="For whom to answer, which says where to stop; see api/model.")
    rule: Literal["path", "threshold", "majority"] = Field("path", description="Where to stop.")
    within: list[Name] = Field([], max_length=50, description="Taxa of one of which it is.")
    without: list[Name] = Field([], max_length=50, description="Taxa of none of which it is.")
    top_k: int | None = Field(None, ge=1, le=1000, description="How many of the likeliest labels of each level to add.")
    maps: bool = Field(False, description="Whether to add where the network looked, level by level.")

    def wishes(self) -> Wishes:
        """Return how to answer.

        Raises
        ------
        HiertaxError
            If `confidence` is not from 0 to 1, or given beside `audience`.
        """
        return Wishes(
            confidence=self.confidence, audience=self.audience, rule=self.rule, within=self.within, without=self.without
        )

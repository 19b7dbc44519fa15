"""What one answer is made for: who asks for what, and the films and rules in force at that moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serving.errors import NotFoundError
from serving.pipeline.catalogue import Films
from serving.pipeline.user_context import Person
from serving.rules.file import RuleBook
from serving.rules.models import Settings
from serving.schemas.requests import ListQuery


@dataclass(frozen=True)
class Question:
    """Worked out once, so that recall and rules leave out the same films by the same settings."""

    person: Person
    asked: ListQuery
    films: Films
    variant: str
    settings: Settings
    besides: tuple[int, ...] = ()
    """Films to leave out of this list alone."""

    @classmethod
    def of(
        cls, person: Person, asked: ListQuery, films: Films, book: RuleBook, besides: tuple[int, ...] = ()
    ) -> "Question":
        """With the variant that the request names, or the user's own; NotFoundError where there is no such."""
        name = asked.variant or book.rules.assigned(person.user_id or 0)
        if name not in book.settings:
            raise NotFoundError(f"no variant {name}; there are {', '.join(book.settings)}")
        return cls(person, asked, films, name, asked.settings(book.settings[name]), besides)

    @cached_property
    def left_out(self) -> np.ndarray:
        """Films that its list must not show: recall leaves them out, too, so that others come in their place."""
        films, which = self.films, self.asked.which
        unfit = films.ids.values[~films.fitting(which)] if which else np.empty(0, np.int64)
        asked = np.array([*self.asked.exclude, *self.besides], np.int64)
        return np.concatenate([self.person.left_out, films.retired, asked, unfit])

"""What one answer is made for: who asks for what, and the films and rules in force at that moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serving.errors import InvalidError, NotFoundError
from serving.pipeline.catalogue import FilmCatalogue
from serving.pipeline.user_context import UserContext
from serving.rules.file import RuleBook
from serving.rules.models import RuleSettings
from serving.schemas.requests import ListQuery


@dataclass(frozen=True)
class ListRequest:
    """Worked out once, so that recall and rules leave out the same films by the same settings."""

    context: UserContext
    query: ListQuery
    films: FilmCatalogue
    variant: str
    settings: RuleSettings
    besides: tuple[int, ...] = ()
    """Films to leave out of this list alone."""

    @classmethod
    def of(
        cls, context: UserContext, query: ListQuery, films: FilmCatalogue, book: RuleBook, besides: tuple[int, ...] = ()
    ) -> "ListRequest":
        """With the variant that the request names, or the user's own; NotFoundError where there is no such.

        InvalidError where it asks for a genre that no film has.
        """
        name = query.variant or book.rules.assigned(context.user_id or 0)
        if name not in book.settings:
            raise NotFoundError(f"no variant {name}; there are {', '.join(book.settings)}")
        if unknown := films.unknown_genres(query.genre):
            raise InvalidError(f"genre={', '.join(unknown)}: no film has it; there are {', '.join(films.genres)}")
        return cls(context, query, films, name, query.settings(book.settings[name]), besides)

    @cached_property
    def excluded_ids(self) -> np.ndarray:
        """Films that its list must not show: recall leaves them out, too, so that others come in their place."""
        films, item_filter = self.films, self.query.item_filter
        unfit = films.ids.values[~films.fitting(item_filter)] if item_filter else np.empty(0, np.int64)
        named = np.array([*self.query.exclude, *self.besides], np.int64)
        return np.concatenate([self.context.excluded_ids, films.withheld, named, unfit])

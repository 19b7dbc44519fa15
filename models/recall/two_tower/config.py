"""The two-tower model's configuration. Every part is a field, so that one changed field takes it away."""

from models.recall.nn.encoders import Encoder
from models.recall.search.vectors import VectorConfig


class TwoTowerConfig(VectorConfig):
    """Configuration of the two-tower model."""

    user_id: bool
    """Whether a user's own vector is a field of the user tower."""
    user_counts: list[str]
    """User features that enter as log(1 + x), standardised."""
    user_numbers: list[str]
    """User features that enter standardised."""
    user_categories: list[str]
    """User features that enter one-hot."""
    user_genres: list[str]
    """User features that are lists with a number a genre."""
    user_context: bool
    """Whether hour, weekday and the gap since the last rating are a field of the user tower."""
    film_counts: list[str]
    """Film features that enter as log(1 + x), standardised."""
    film_numbers: list[str]
    """Film features that enter standardised."""
    film_genres: bool
    """Whether a film's genres are a field of the film tower."""
    film_people: list[str]
    """Film features that are lists of people; who appears in two films or more has a vector a list."""
    film_text: list[str]
    """Film features that are vectors of its text."""
    history: Encoder
    """How the user tower reads the window: recency-weighted means, a GRU, or a Transformer."""
    window: int
    """How many of the latest films the user tower reads; the feature holds 50."""
    heads: int
    """Means of the recency-weighted encoder, or heads of attention."""
    layers: int
    """Layers of the GRU or the Transformer."""
    dim: int
    """Width of fields and of the vectors compared."""
    hidden: int
    """Width of the towers' hidden layer."""
    senet: bool
    """Whether a gate weighs each field by what the row's fields hold."""
    dropout: float
    """Dropout in the hidden layers."""
    id_dropout: float
    """How often an id is hidden in training, so that unknown users and films get sensible vectors."""
    normalise: bool
    """Whether vectors are brought to length one (cosine) before they are compared; else their inner product is."""
    temperature: float
    """What inner products are divided by in the loss; smaller is sharper."""
    log_q: float
    """How much of the sampling correction is applied: 1 is Yi et al. 2019, 0 leaves popular films pushed down."""
    uniform: int
    """Films drawn uniformly that join a batch's own as negatives (Yang et al. 2020)."""
    hard_low_rated: int
    """Negatives a positive among the films that the same user rated low."""
    low_rating: float
    """The highest rating that is low."""
    hard_popular: int
    """Negatives a positive among the `popular` most rated films that the user never rated."""
    popular: int
    """How many films count as popular."""
    hard_same_genre: int
    """Negatives a positive that share a genre with it and are rated less often."""
    hard_stale: int
    """Negatives a positive among the films that the user rated before the window's: long ago, but not lately."""
    online_hard: int
    """How many of a row's highest negatives count in the loss; 0 counts all."""
    rating_weight: float
    """Weight of the second task, the rating's squared error in deviations; 0 leaves it out."""
    batch: int
    """Ratings in a batch, each the others' negative."""

"""Events and changes of films: on disk before they are acknowledged, online at once."""

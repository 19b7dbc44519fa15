"""Films alike by texts, people and keywords, for films that few have rated."""

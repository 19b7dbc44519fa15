"""The rules that every list obeys: what the file may say, and the file itself."""

"""From a user and a request to a list: candidates, scores, rules, reasons."""

"""Measures of lists and of scores: functions of arrays, which know no model."""

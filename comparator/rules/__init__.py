"""Rules: what they may say (`[[rule]]`), and the pure machines that decide what is told.

Nothing here knows a database or a clock: what was seen, and when, is handed in.
"""

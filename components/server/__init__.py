"""One server for many people: who may do what, which folders, counters, events, its addresses."""

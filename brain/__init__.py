"""The command line and the wiring: settings, processes, embedded PostgreSQL and broker.

Every other room is a library; this one decides what runs, in which process, in which order it starts
and stops, and what is said on the terminal. Nothing imports from here.
"""

"""What every room stands on: whole-or-nothing files, jobs, chunks, the look of figures."""

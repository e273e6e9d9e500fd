"""What every room stands on: whole-or-nothing files, background jobs, chunked arrays, the look of figures."""

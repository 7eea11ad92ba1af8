"""What a worker does with a block: build, verify, train, time, count, and write its rows."""

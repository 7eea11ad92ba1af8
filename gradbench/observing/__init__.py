"""What experiments stand on: cases, observations, verdicts, failure modes."""

"""What a person sees while and after a command works; figures with their units."""

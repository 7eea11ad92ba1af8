"""What a person types: the verbs, their exit statuses, and what a signal does to them."""

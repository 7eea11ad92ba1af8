"""What happens to `.grad` between steps."""

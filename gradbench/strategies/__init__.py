"""Ways to carry out any rule."""

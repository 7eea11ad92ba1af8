"""One file for each check; a file that is here is found."""

"""Small tools that every folder shares."""

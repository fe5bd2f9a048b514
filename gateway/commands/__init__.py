"""What the commands of `ponte` do. Data goes to standard output, sentences for people to standard error."""

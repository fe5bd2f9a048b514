"""The tests. A folder mirrors a package of the source; journeys/, faults/ and tidy/ cut across."""

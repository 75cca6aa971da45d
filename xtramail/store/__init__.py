"""What is kept: functions over transactions of one ordered key-value engine. Knows no protocol and no reactor."""

"""What the contracts cost in gas, beside what others cost for the same, on one node and with one compiler."""

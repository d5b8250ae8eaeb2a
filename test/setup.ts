// Replaced by the guard against packets that leave the machine.

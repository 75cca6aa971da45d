"""Questions to a name server and its answers, as octets and as values. No sockets, no clock."""

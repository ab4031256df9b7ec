"""The shapes of requests and answers on the wire, one file a resource."""

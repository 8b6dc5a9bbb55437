"""What operators use that is made from a source in this tree: dashboards, the operator's rule object, rendered manifests."""

"""What operators use that is made from a source here: dashboards, the operator's rule object, rendered manifests."""

"""The verifier node: `verifier.node.run.run(settings)` takes the audits that a staked key is drawn for."""

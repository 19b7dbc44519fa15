"""Which rankers there are."""

RANK = {
    "unified": "networks.unified:UnifiedRanker",
    "dcn": "networks.dcn:DCN",
    "deepfm": "networks.deepfm:DeepFM",
    "lambdamart": "baselines.boosting:Boosting",
    "logistic": "baselines.logistic:Logistic",
}
"""Rankers: module and class in models.rank."""

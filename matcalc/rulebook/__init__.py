"""The rules of matrix calculus, as data: loading, listing, verification."""
from matcalc.rulebook.load import Rule, RuleBook, explain, listing, load_user_rules, rule_book

__all__ = ["Rule", "RuleBook", "explain", "listing", "load_user_rules", "rule_book"]

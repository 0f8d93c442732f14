"""What is checked of failures and ballots: every share adds up, every refund is a share."""

from __future__ import annotations

from datetime import timedelta

from countmein.base.clock import site_now
from countmein.campaigns.models import Ballot, Gate
from countmein.rules.states import CampaignState

#: Each answers with the rows that are wrong.
QUERIES: dict[str, str] = {
    # C-7 over rows: what was held is what was borne, given back, delivered and left over.
    "failures_add_up": """
        SELECT f.campaign_id, f.number FROM campaigns_failure f
        LEFT JOIN (SELECT lane, campaign_id, number, sum(borne_minor) AS borne,
                     sum(refund_minor) AS refund, sum(delivered_minor) AS delivered,
                     sum(left_over_minor) AS left_over
                   FROM campaigns_planshare GROUP BY 1, 2, 3) s USING (lane, campaign_id, number)
        WHERE f.settled_at IS NOT NULL AND (
              coalesce(s.borne, 0) <> (f.sums->>'spent_minor')::bigint
                  + (f.sums->>'kept_minor')::bigint - (f.sums->>'returned_minor')::bigint
           OR coalesce(s.refund, 0) <> (f.sums->>'refund_minor')::bigint
           OR coalesce(s.delivered, 0) <> (f.sums->>'delivered_minor')::bigint
           OR coalesce(s.left_over, 0) <> (f.sums->>'left_over_minor')::bigint
           OR coalesce(s.borne + s.refund + s.delivered + s.left_over, 0)
              <> (f.sums->>'collected_minor')::bigint)""",
    "money_goes_to_plans_that_run": """
        SELECT s.pledge_id FROM campaigns_planshare s JOIN campaigns_failure f
             USING (lane, campaign_id, number)
        WHERE s.delivered_minor > 0 AND (s.plan IS NULL
              OR NOT (f.plans->(s.plan - 1)->>'runs')::boolean)""",
    "plan_b_refunds_are_shares": """
        SELECT r.id FROM payments_refund r LEFT JOIN campaigns_planshare s ON s.lane = r.lane
             AND s.pledge_id = r.pledge_id AND s.number = r.stage
        WHERE r.reason = 'plan_b' AND r.amount_minor > coalesce(s.refund_minor, 0)""",
    "ballot_refunds_are_stakes": """
        SELECT r.id FROM payments_refund r WHERE r.reason = 'ballot' AND r.amount_minor > coalesce(
            (SELECT p.stake_minor FROM campaigns_ballotpaper p JOIN campaigns_ballot b
                  ON b.lane = p.lane AND b.id = p.ballot_id
             WHERE p.lane = r.lane AND p.pledge_id = r.pledge_id AND b.kind = 'left_over'
               AND b.number = r.stage AND b.outcome = 'refund'), 0)""",
    # What somebody bore is not given back to them as well.
    "nobody_gets_back_what_is_gone": """
        SELECT c.id FROM payments_charge c
        JOIN (SELECT lane, pledge_id, sum(borne_minor - relieved_minor) AS borne
              FROM campaigns_planshare GROUP BY 1, 2) s
             ON s.lane = c.lane AND s.pledge_id = c.pledge_id
        JOIN payments_refund r ON r.lane = c.lane AND r.charge_id = c.id
             AND r.state NOT IN ('moot', 'stuck') AND r.reason <> 'recalled'
        WHERE c.state = 'paid' GROUP BY c.id, c.amount_minor, s.borne
        HAVING sum(r.amount_minor) + s.borne > c.amount_minor""",
    # What came back late goes to those who bore it, and nobody's burden falls below nothing by it.
    "late_money_is_shared": """
        SELECT s.pledge_id FROM (SELECT lane, campaign_id, pledge_id,
               sum(relieved_minor) AS relieved FROM campaigns_planshare
             WHERE relieved_minor > 0 GROUP BY 1, 2, 3) s
        WHERE s.relieved > coalesce((SELECT sum(r.amount_minor) FROM payments_refund r
             WHERE r.lane = s.lane AND r.pledge_id = s.pledge_id AND r.reason = 'late'), 0)""",
    # Every vote is in the counts of its ballot.
    "votes_are_counted": """
        SELECT b.id FROM campaigns_ballot b CROSS JOIN LATERAL jsonb_each_text(b.counts) c
        WHERE b.closed_at IS NOT NULL AND c.value::bigint <> (
              SELECT count(*) FROM campaigns_ballotpaper p WHERE p.lane = b.lane
              AND p.ballot_id = b.id AND p.choice = c.key)""",
}


def overdue(*, patience: timedelta) -> str:
    """Ballots that ended, and failures whose time to choose is over, without anybody's doing."""
    since = site_now() - patience
    ballots = Ballot.objects.all_lanes().filter(closed_at=None, ends_at__lt=since)
    gates = Gate.objects.all_lanes().filter(state=CampaignState.failed, reallocate_at__lt=since)
    late = [str(row.id) for row in (*ballots[:3], *gates[:3])]
    return "; ".join(late)

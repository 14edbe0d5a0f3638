// Who is behind, how to contact the largest segment, and a training watched to its end.
import { Dunwell } from './client.js';
import {
  DebtorsDocument,
  SegmentRecommendationsDocument,
  SegmentsDocument,
  TrainModelsDocument,
  TrainingProgressDocument,
} from './generated.js';

const { DUNWELL_URL = 'http://127.0.0.1:8000/graphql', DUNWELL_KEY = '' } = process.env;
const dunwell = new Dunwell(DUNWELL_URL, DUNWELL_KEY);

const { debtors } = await dunwell.ask(DebtorsDocument, {
  first: 5,
  where: { daysPastDue: { gte: 30 } },
  orderBy: [{ field: 'DAYS_PAST_DUE', direction: 'DESC' }],
});
for (const { node } of debtors.edges) {
  const owed = node.balance.map(({ amount, currency }) => `${amount} ${currency}`).join(', ');
  console.log(`${node.reference}: ${node.daysPastDue} days, ${owed}, ${node.segment.key}`);
}

const { segments } = await dunwell.ask(SegmentsDocument, {});
const bySize = segments.toSorted((one, other) => other.debtorCount - one.debtorCount);
const { segmentRecommendations } = await dunwell.ask(SegmentRecommendationsDocument, {
  segments: bySize.slice(0, 1).map(({ key }) => key),
});
for (const { segment, recommendation } of segmentRecommendations) {
  const { best, reasons } = recommendation;
  const advice = best ? `${best.channel} on ${best.weekday} at ${best.hour}:00` : `leave alone (${reasons.join(' ')})`;
  console.log(`${segment.key}: ${advice}`);
}

const { trainModels } = await dunwell.ask(TrainModelsDocument, { input: { promote: 'NEVER' } });
if ('code' in trainModels) {
  console.log(`No training: ${trainModels.code}`);
} else {
  for await (const { trainingProgress } of dunwell.watch(TrainingProgressDocument, { id: trainModels.id })) {
    console.log(`training: ${trainingProgress.status}, ${trainingProgress.stage}`);
  }
}

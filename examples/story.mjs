// What all the examples share: what they ask, and how the events of a text become the text.

export const URL = `${process.env.FORETELL_URL ?? 'http://127.0.0.1:8000'}/graphql`;
export const HEADERS = { authorization: `Bearer ${process.env.FORETELL_API_KEY}` };

export const PREDICT = /* GraphQL */ `
  mutation Predict($input: PredictInput!) {
    predict(input: $input) {
      prediction {
        id
        output {
          __typename
          ... on TabularOutput {
            results {
              value
            }
          }
        }
      }
      errors {
        code
        message
        path
      }
    }
  }
`;

export const TOKENS = /* GraphQL */ `
  subscription Tokens($predictionId: ID!, $after: Int!) {
    tokens(predictionId: $predictionId, after: $after) {
      __typename
      sequence
      ... on TokenEvent {
        text
      }
      ... on StreamSnapshot {
        text
      }
      ... on StreamEnd {
        prediction {
          id
          status
        }
      }
    }
  }
`;

const PATIENT = { age: 59, sex: 2, bmi: 32.1, bp: 101, s1: 157, s2: 93.2, s3: 38, s4: 4, s5: 4.8598, s6: 87 };

export const DIABETES = { model: { name: 'diabetes' }, data: { tabular: { records: [PATIENT] } } };

// `waitMs: 0` returns as soon as the prediction is stored; its text is followed by the subscription.
export const STORY = {
  model: { name: 'storyteller' },
  waitMs: 0,
  cache: 'BYPASS',
  data: { text: { prompt: { text: 'It was' }, parameters: { maxTokens: 120, temperature: 0.8, seed: 7 } } },
};

// Returns the prediction of a payload; what was refused is an answer too, and stands in `errors`.
export function accepted({ prediction, errors }) {
  if (errors.length > 0) throw new Error(errors.map(({ code, message }) => `${code}: ${message}`).join('\n'));
  return prediction;
}

// The text so far. `last` is where to go on after a lost connection: give it as `after`.
export class Story {
  text = '';
  last = 0;
  ended = false;

  // Takes an event in. Some may come twice, after a reconnect or from a client that repeats its last result.
  take(event) {
    if (event.sequence <= this.last) return;
    this.last = event.sequence;
    if (event.__typename === 'TokenEvent') this.text += event.text;
    if (event.__typename === 'StreamSnapshot') this.text = event.text; // all of it: the server kept no more
    if (event.__typename === 'StreamEnd') this.ended = true;
  }
}

// Follows a text with `follow(variables, take)`, which leaves when `take` returns true. Hangs up every 4 events, as
// a train in a tunnel would, and goes on where it was.
export async function tell(predictionId, follow) {
  const story = new Story();
  let connections = 0;
  while (!story.ended) {
    let seen = 0;
    connections += 1;
    await follow({ predictionId, after: story.last }, (event) => {
      story.take(event);
      seen += 1;
      return story.ended || seen === 4;
    });
  }
  console.log(story.text);
  console.log(`(${story.last} events over ${connections} connections)`);
}

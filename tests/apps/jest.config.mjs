// Tests as users of the package write them, by Jest: npm test -- --only apps

export default { testMatch: ["**/*.jest.mjs"], transform: {} };

// Tests as users of the package write them, with Jest: npm test -- --only apps

export default { testMatch: ["**/*.jest.mjs"], transform: {} };
